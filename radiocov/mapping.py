def write_map(inputs, judged, path):
    return path
