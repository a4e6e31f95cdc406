"""Plans: what a change would do, in words, grades and bytes. Making one changes nothing."""
