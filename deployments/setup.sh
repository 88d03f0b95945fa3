#!/usr/bin/env bash
# Makes this clone ready to run: checks Java and Python, fills a virtual environment from a hash-checked lock,
# fetches Delta's jars and makes the JVM class-data archive. Every step leaves a stamp when it is complete: what
# it was made from. So a second time costs a few milliseconds, and an interrupted time is taken up again.
#
#   setup.sh java               only check Java
#   setup.sh venv DIR LOCK      virtual environment DIR with everything LOCK names, and this project, editable
#   setup.sh cache DIR          jars and class-data archive, made with the environment DIR
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Two terminals may start at once; where flock is missing (macOS) pip itself still copes.
one_at_a_time() {
    mkdir -p .alluvia
    exec 9>.alluvia/setup.lock
    if command -v flock >/dev/null; then flock 9; fi
}

java_program() {
    if [ -n "${JAVA_HOME:-}" ]; then echo "$JAVA_HOME/bin/java"; else command -v java || true; fi
}

java_version() {
    "$1" -version 2>&1 | sed -n 's/.* version "\([^"]*\)".*/\1/p' | head -n 1
}

# The words are those of feature_groups/store/engines/java.py, before there is a Python to say them.
check_java() {
    local program version major
    program=$(java_program)
    [ -n "$program" ] || no_java 'JAVA_HOME is not set and there is no java on PATH.'
    [ -x "$program" ] || no_java "JAVA_HOME is $JAVA_HOME, but there is no program $program."
    version=$(java_version "$program")
    major=${version#1.}
    major=${major%%[!0-9]*}
    [ -n "$major" ] || no_java "$program does not tell its version."
    [ "$major" -ge 17 ] || no_java "Found Java $version at $program."
}

no_java() {
    fail "FG401 Java missing or too old: Spark 4.2 needs Java 17 or newer. $1" \
        'Next: install a JDK 17 (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME to one.'
}

python_suits() {
    "$1" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# A python named by hand is taken or refused, never replaced by another one.
find_python() {
    local candidate candidates=("${PYTHON:-}")
    [ -n "${PYTHON:-}" ] || candidates=(python3 python3.13 python3.12 python3.11)
    for candidate in "${candidates[@]}"; do
        if python_suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed (with its venv module); ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1 | head -n 1 || true). Install one, or name it: make PYTHON=/path/to/python3.12"
}

make_venv() {
    local venv=$1 lock=$2 python
    if cmp -s "$lock" "$venv/.locked" && cmp -s pyproject.toml "$venv/.installed" && "$venv/bin/python" -c '' 2>/dev/null; then
        return
    fi
    one_at_a_time
    if ! python_suits "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        python=$(find_python)
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    if ! cmp -s "$lock" "$venv/.locked"; then
        rm -f "$venv/.locked" "$venv/.installed"
        echo "Installing $(grep -c '==' "$lock") locked packages into $venv (once, a minute or two) ..."
        # pyspark comes as source only. Its build tools are in the lock too: with them in place first, pip need
        # not fetch the newest ones, unpinned, into a build environment of its own.
        awk '/^[A-Za-z]/ { tool = /^(packaging|pip|setuptools|wheel)==/ } tool' "$lock" >"$venv/build-tools.lock"
        "$venv/bin/python" -m pip install --quiet --require-hashes -r "$venv/build-tools.lock"
        "$venv/bin/python" -m pip install --quiet --require-hashes --no-build-isolation -r "$lock"
        cp "$lock" "$venv/.locked"
    fi
    if ! cmp -s pyproject.toml "$venv/.installed"; then
        "$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
        cp pyproject.toml "$venv/.installed"
    fi
}

# The stamp is the environment's and not the cache's: a new environment has new jars, and needs a new archive.
make_cache() {
    local venv=$1 cache engines=feature_groups/store/engines wanted
    cache=${ALLUVIA_HOME:-.alluvia}/cache
    wanted="$cache $(cat "$venv/.locked" $engines/jars.py $engines/jvm.py $engines/warm_up.py | cksum) Java $(java_version "$(java_program)")"
    if [ -d "$cache/jars" ] && [ "$(cat "$venv/.cache" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    one_at_a_time
    "$venv/bin/python" -m feature_groups.store.engines.warm_up
    printf '%s\n' "$wanted" >"$venv/.cache"
}

case ${1:-} in
java) check_java ;;
venv) make_venv "$2" "$3" ;;
cache) make_cache "$2" ;;
*) fail "usage: setup.sh java | venv DIR LOCK | cache DIR" ;;
esac
