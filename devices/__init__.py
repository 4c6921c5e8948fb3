"""The handsets: serial links, protocols, signal logs and the fleet. Knows nothing of coverage."""
