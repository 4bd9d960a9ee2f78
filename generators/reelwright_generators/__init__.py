"""What makes pictures: video models behind one interface."""
