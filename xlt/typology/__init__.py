"""What is known about languages, what has been measured between them, and what follows."""
