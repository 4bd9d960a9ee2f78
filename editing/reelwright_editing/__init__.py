"""What joins takes into a film: cut, subtitles, contact sheet, report."""
