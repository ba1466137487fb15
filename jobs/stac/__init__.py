"""Catalogs of data after the SpatioTemporal Asset Catalog specification (STAC): build, list, choose from, stage."""
