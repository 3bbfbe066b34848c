"""The schema, step by step; run by ``cpe_manager.adapters.db.migrator``."""
