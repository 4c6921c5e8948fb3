"""What has to be covered: policies, areas, roads, and how far a prediction fulfils them."""
