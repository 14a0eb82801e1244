"""ESPNet for CamVid, the published segmenter."""
