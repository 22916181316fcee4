"""What the truth is: pairs of pictures and labels, data sets, label images."""
