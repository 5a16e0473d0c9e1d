"""Where jobs run: processes of this machine, or whatever registers under ``xlt.executors``."""
