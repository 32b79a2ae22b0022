"""A program in a terminal of its own, to which is typed as a person types. Wine has a console only in a terminal."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time


class Terminal:
    """`text` is what the terminal shows, `ended` whether the program has closed it."""

    def __init__(self, command, folder="."):
        self.raw, self.text, self.ended = b"", "", False
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 160, 0, 0))  # nothing scrolls or wraps
            os.chdir(folder)
            os.execvp(command[0], command)

    def type(self, keys):
        os.write(self.file, keys.encode())

    def read(self, seconds):
        """Waits for more so long at most -> whether there was any."""
        if self.ended or not select.select([self.file], [], [], seconds)[0]:
            return False
        try:
            self.raw += os.read(self.file, 65536)
        except OSError:
            self.ended = True
            return False
        text = re.sub(r"\x1b\[(\d+)C", lambda match: " " * int(match[1]), self.raw.decode("utf-8", "replace"))
        self.text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)
        return True

    def exit_code(self, seconds):
        """None when it does not end so soon; then it is killed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.read(0.1) and self.ended:
                time.sleep(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None
