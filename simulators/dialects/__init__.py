"""Ways of speaking that several families share: configuration trees, UCI, command matching, shells."""
