"""A folder of the programs, of which some are other ones or can be taken away."""

import glob
import os
import shutil

from postwain_harness import BIN
from resources import Folder


class Programs:
    """replace: {"qmgr": "/path/of/another/qmgr"}; scripts: {"qmgr": "text of a shell script"}"""

    def __init__(self, replace=None, scripts=None):
        self.folder = Folder()
        for path in glob.glob(os.path.join(BIN, "*")):
            if os.access(path, os.X_OK) and os.path.isfile(path):
                name = os.path.basename(path)
                if name in (scripts or {}):
                    self.folder.file(name, scripts[name])
                    os.chmod(self.folder / name, 0o755)
                    continue
                shutil.copy((replace or {}).get(name, path), self.folder / name)

    @property
    def path(self):
        return self.folder.path

    def take_away(self, name):
        os.rename(self.folder / name, self.folder / (name + ".away"))

    def bring_back(self, name):
        os.rename(self.folder / (name + ".away"), self.folder / name)

    def stop(self):
        self.folder.remove()
