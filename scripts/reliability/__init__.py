"""What a maintainer runs to know that numbers, stored things and refusals can be trusted."""
