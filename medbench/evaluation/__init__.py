"""One evaluation: what is compared, through which instruments, and every number with its floor."""
