import type { Probe, Readiness } from "../contract/readiness.ts";
import { KeelsonError } from "../errors.ts";
import type { Deployment } from "./deployment.ts";
import { runtimeId } from "./name.ts";
import type { ExecPlaces, Launch } from "./unit.ts";
import { lastValue, parseUnit } from "./unit-file.ts";

/** Beside config.json in a deployment. */
export const probeFile = "ready.sh";

/** What systemd gives a service to start, unless it says otherwise. */
const defaultTimeout = 90_000;
const grace = 10_000;

/**
 * A unit that is not up before its container is ready: the script `probeFile` of the deployment is run behind the start. Throws
 * E_UNIT for one of which the container's first process is not the main process.
 */
export function withReadiness(
  text: string,
  readiness: Readiness,
  launch: Launch,
  { name, destdir }: ExecPlaces,
): string {
  if (launch !== "forking" && launch !== "notify") {
    throw new KeelsonError(
      "E_UNIT",
      `${name}.service cannot be waited for: it does not start its container by ExecStart=$EXEC_START alone`,
      {
        hint: "Take ready out of the image's manifest.json, or Type= and other commands out of its unit.",
      },
    );
  }
  const limited = lastValue(parseUnit(text, name), "Service", "TimeoutStartSec") !== undefined;
  const seconds = Math.ceil((readiness.timeout + grace) / 1000);
  return [
    text.trimEnd(),
    "",
    "# Added by keelson: up is what is ready.",
    "[Service]",
    `ExecStartPost=/bin/sh ${destdir}/${probeFile}`,
    ...(limited || readiness.timeout + grace <= defaultTimeout ? [] : [`TimeoutStartSec=${seconds}`]),
    "",
  ].join("\n");
}

/**
 * A script for sh(1) that ends when the container is ready, and fails when it ends before or takes too long. It needs sh, cat,
 * ls, sed and sleep and nothing of keelson. Listening is read from the kernel's tables: nobody is connected to.
 */
export function readinessScript({ probe, interval, timeout }: Readiness, places: ExecPlaces): string {
  const seconds = Math.ceil(timeout / 1000);
  return `# Written by keelson. Ends well when the container is ready.
main=$(cat ${quote(places.pidFile)})
said=
${ownsSocket}
ready() {
${readyLines(probe, places)
  .map((line) => `  ${line}\n`)
  .join("")}}
read -r now rest </proc/uptime
end=$((\${now%.*} + ${seconds}))
until ready; do
  if [ ! -d "/proc/$main" ]; then
    echo "it ended before it was ready" >&2
    exit 1
  fi
  read -r now rest </proc/uptime
  if [ "\${now%.*}" -ge "$end" ]; then
    echo "it was not ready within ${seconds} s:" ${quote(describe(probe))} "$said" >&2
    exit 1
  fi
  sleep ${interval / 1000}
done
`;
}

/**
 * Whether a service is ready only when its health check has succeeded: the script that its start waits for runs the same
 * command.
 */
export function readyWhenHealthy({
  name,
  runtime,
  service,
}: Pick<Deployment, "name" | "runtime" | "service">): boolean {
  const command = service?.health?.command;
  if (command === undefined || service?.probe === undefined) return false;
  return service.probe.includes(`\n  ${commandLine(command, { runtime, name })}\n`);
}

function commandLine(command: readonly string[], { runtime, name }: Pick<ExecPlaces, "runtime" | "name">): string {
  return `said=$(${runtime} exec ${runtimeId(name)} ${command.map(quote).join(" ")} 2>&1)`;
}

/** Others on the host may listen on the same port, or by the same name. */
const ownsSocket = `owns() {
  group=/sys/fs/cgroup$(sed -n s/^0:://p "/proc/$main/cgroup")
  for process in $main $(cat "$group/cgroup.procs" "$group"/*/cgroup.procs 2>/dev/null); do
    case $(ls -l "/proc/$process/fd" 2>/dev/null) in *"socket:[$1]"*) return 0 ;; esac
  done
  return 1
}`;

function readyLines(probe: Probe, places: ExecPlaces): readonly string[] {
  switch (probe.kind) {
    case "tcp": {
      const port = probe.port.toString(16).toUpperCase().padStart(4, "0");
      return [
        'cat "/proc/$main/net/tcp" "/proc/$main/net/tcp6" 2>/dev/null | {',
        "  while read -r slot local remote state queues timer retransmits uid timeout inode rest; do",
        `    case $local/$state in *:${port}/0A) owns "$inode" && exit 0 ;; esac`,
        "  done",
        "  exit 1",
        "}",
      ];
    }
    case "unix":
      return [
        'cat "/proc/$main/net/unix" 2>/dev/null | {',
        "  while read -r slot references protocol flags type state inode path; do",
        `    [ "$flags/$path" = 00010000/${quote(probe.path)} ] && owns "$inode" && exit 0`,
        "  done",
        "  exit 1",
        "}",
      ];
    case "file":
      return [`[ -e "/proc/$main/root"${quote(probe.path)} ]`];
    case "command":
      return [commandLine(probe.command, places)];
  }
}

function describe(probe: Probe): string {
  switch (probe.kind) {
    case "tcp":
      return `nothing of it listens on port ${probe.port}`;
    case "unix":
      return `nothing of it listens on ${probe.path}`;
    case "file":
      return `there is no ${probe.path} in it`;
    case "command":
      return `${probe.command[0]} does not succeed in it`;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
