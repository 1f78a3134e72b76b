"""What readers of exports share: files in folders and zips, samples on disk, labels, windows."""
