import sys
from pathlib import Path

# the helper module beside the tests: these folders are no packages
sys.path.insert(0, str(Path(__file__).parent))
