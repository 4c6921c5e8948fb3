"""The ground under a radio network: elevation, land cover, grids, profiles and a made-up world.

Knows nothing of radio. Import the module you need (`terrain.grid`, `terrain.ground`, `terrain.load`, ...);
this package imports nothing by itself, so that starting a command stays cheap.
"""
