"""One grammar a language: `realise(scene, sentence id)` gives a finished tree."""
