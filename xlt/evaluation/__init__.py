"""Statistics over scores, and the reports made of them."""
