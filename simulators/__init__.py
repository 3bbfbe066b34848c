"""Virtual CPEs: what a vendor's box says over SSH, with faults on demand. Independent of the product."""
