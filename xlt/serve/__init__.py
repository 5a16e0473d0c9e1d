"""`xlt serve`: trained models behind HTTP, with a page to try them and Label Studio's protocol.

What a request holds is read by what `xlt predict` reads with and annotated by what annotates there;
here is what comes between: limits, a queue, one thread that owns the models, and answers.
"""
