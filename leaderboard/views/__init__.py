"""What a board looks like: terminal, Markdown, CSV, JSON, LaTeX and one HTML page. Nothing here ranks."""
