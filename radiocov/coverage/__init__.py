"""From losses to the network's rasters: one loss raster a transmitter, the store of them, the combination."""
