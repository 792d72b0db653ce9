"""The drawing kit: colours and axes that all figures share, sheets of slices, numbers and labels in words."""
