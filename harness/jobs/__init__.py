"""Programs that run as child processes: the only place where torch, ptychi and matplotlib load."""
