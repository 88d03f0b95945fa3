"""The JVM behind a Spark session: its command line, its class-data archive, its start and its end.

pyspark would start it through two shell scripts and a second JVM that prints the command line, in a fork with
Python code between fork and exec: not safe beside Polars' threads. Here it is started directly, with the
options those scripts would have printed.
"""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_groups.store.engines.jars import pyspark_folder
from feature_groups.store.engines.java import Java, check_java
from feature_groups.store.errors import EngineUnavailable

_START_SECONDS = 180
_STOP_SECONDS = 30

# What Spark 4.2's own launcher passes, less the incubating vector module: only MLlib's algebra would use it, and
# the JVM warns about it at every start.
MODULE_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in (
            "java.lang",
            "java.lang.invoke",
            "java.lang.reflect",
            "java.io",
            "java.net",
            "java.nio",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "jdk.internal.ref",
            "sun.nio.ch",
            "sun.nio.cs",
            "sun.security.action",
            "sun.util.calendar",
        )
    ),
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dio.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)

# PythonGatewayServer prints its log level at start unless it is quietened by its own name.
_LOG4J = """rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.gw.name = org.apache.spark.api.python.PythonGatewayServer
logger.gw.level = error
"""


@dataclass(frozen=True)
class Jvm:
    """A running JVM, and how Python reaches it."""

    process: subprocess.Popen[bytes]
    port: int
    secret: str
    log: Path

    def lives(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def connect(self) -> Any:
        """The py4j gateway to it, made by pyspark itself as for a JVM that was there before Python."""
        from pyspark.java_gateway import launch_gateway

        there = {"PYSPARK_GATEWAY_PORT": str(self.port), "PYSPARK_GATEWAY_SECRET": self.secret}
        os.environ.update(there)
        try:
            return launch_gateway()  # type: ignore[no-untyped-call]  # pyspark has no types here
        finally:
            for name in there:
                del os.environ[name]

    def stop(self, *, patience: float = _STOP_SECONDS) -> None:
        """End it: it ends by itself when its standard input closes, as it does when Python dies."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def archive_path(cache: Path, jars: Sequence[Path], java: Java) -> Path:
    """The class-data archive for exactly this Java and these jars.

    The JVM refuses an archive when a jar's size or time differs, so these are part of the name: a renewed
    environment gets an archive of its own.
    """
    key = hashlib.sha256(f"{java.program.resolve()} {java.version}".encode())
    for jar in [*jars, *sorted((pyspark_folder() / "jars").glob("*.jar"))]:
        facts = jar.stat()
        key.update(f"\n{jar} {facts.st_size} {facts.st_mtime_ns}".encode())
    return cache / "cds" / f"{key.hexdigest()[:20]}.jsa"


def start_jvm(
    configuration: Mapping[str, str], *, options: Sequence[str], jars: Sequence[Path], run: Path, local: bool
) -> Jvm:
    """Start Spark's JVM and wait until it can be reached.

    Args:
        configuration: Spark's, as ``--conf`` would set it.
        options: The JVM's own.
        jars: Put in front of Spark's on the class path, which class-data sharing needs.
        run: A folder for what it writes: temporary files, log, address.
        local: Whether Spark runs in this JVM only; if so no configuration folder of the machine is read.

    Raises:
        EngineUnavailable: It ended or did not answer in time.
    """
    home, address, log = pyspark_folder(), run / "address", run / "jvm.log"
    settings_folders = () if local else ("SPARK_CONF_DIR", "HADOOP_CONF_DIR", "YARN_CONF_DIR")
    class_path = [os.environ[name] for name in settings_folders if os.environ.get(name)]
    class_path += [*map(str, jars), f"{home}/jars/*"]
    (run / "log4j2.properties").write_text(_LOG4J)
    command = [
        str(check_java().program),
        *("-cp", os.pathsep.join(class_path)),
        *MODULE_OPTIONS,
        *options,
        "-XX:-UsePerfData",  # leaves a file of its own in the machine's temporary folder
        "-XX:-CreateCoredumpOnCrash",
        f"-XX:ErrorFile={run.parent}/crash-%p.log",
        f"-Djava.io.tmpdir={run}",
        f"-Dderby.system.home={run}",
        f"-Dlog4j2.configurationFile=file:{run}/log4j2.properties",
        "org.apache.spark.deploy.SparkSubmit",
        *(part for name, value in configuration.items() for part in ("--conf", f"{name}={value}")),
        "pyspark-shell",
    ]
    environment = {
        **{name: value for name, value in os.environ.items() if not (local and name == "SPARK_CONF_DIR")},
        "SPARK_HOME": str(home),
        "SPARK_CONNECT_MODE": "0",
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",  # or a JVM on a machine without a locale could not name a file after "ü"
        "_PYSPARK_DRIVER_CONN_INFO_PATH": str(address),
    }
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is Python's to handle
        )
    try:
        return Jvm(process, *_await_address(process, address, log), log)
    except BaseException:
        process.kill()
        process.communicate()
        raise


def _await_address(process: subprocess.Popen[bytes], address: Path, log: Path) -> tuple[int, str]:
    deadline = time.monotonic() + _START_SECONDS
    while not address.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise jvm_lost("was not started", process, log)
        time.sleep(0.02)
    content = address.read_bytes()
    port, length = struct.unpack(">ii", content[:8])
    return port, content[8 : 8 + length].decode()


def jvm_lost(state: str, process: subprocess.Popen[bytes], log: Path) -> EngineUnavailable:
    """The error that tells a JVM's last words, for they are all that is left of it."""
    ended = process.poll()
    how = "gave no answer in time" if ended is None else f"ended with code {ended}"
    last_words = log.read_text(errors="replace").strip()[-2000:] if log.exists() else ""
    return EngineUnavailable(
        "Spark",
        what=f"Its JVM {how}." + (f" Its last words:\n{last_words}" if last_words else ""),
        state=state,
        next_step="check ALLUVIA_SPARK_MEMORY and ALLUVIA_SPARK_MASTER against this machine, then run it again.",
    )
