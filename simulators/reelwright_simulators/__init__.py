"""What moves a plan before pixels: cut-outs and the layout painter."""
