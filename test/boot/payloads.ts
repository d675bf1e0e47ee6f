import { readFileSync } from "node:fs";
import { buildImage, type TestImage } from "../bed/images.ts";
import type { LayerFiles } from "../bed/layer-files.ts";

/** Images of busybox and one shell script, which is process 1 of their containers. */
export async function buildPayloads() {
  const [plain, old, broken, stubborn] = await Promise.all([
    plainImage(),
    oldImage(),
    scriptImage("echo the database cannot be opened >&2; exit 3", "Type=notify"),
    scriptImage(`trap "" TERM; ${forever}`, "TimeoutStopSec=700ms"),
  ]);
  return { plain, old, broken, stubborn };
}

const forever = "while :; do busybox sleep 100000 & wait; done";
/** What a shell says that a SIGTERM has ended. */
export const ends = `trap "exit 143" TERM; ${forever}`;

/** Without /exports: what it is to run, and how, stands in its configuration alone. */
function plainImage(): Promise<TestImage> {
  const script = `echo "$(busybox pwd) $(busybox id -u):$(busybox id -g) $GREETING, $1" >/data/seen; ${ends}`;
  return buildImage({
    layers: [{ ...base(script), "work/here": "", data: { kind: "directory", uid: 1000, gid: 1000 } }],
    config: {
      entrypoint: ["/bin/busybox", "sh", "/run.sh"],
      command: ["five o'clock"],
      environment: ["PATH=/bin", "GREETING=good day"],
      user: "1000:1000",
      workingDirectory: "/work",
      volumes: ["/data"],
    },
  });
}

/** A config.json.template for the script: `source` is bound at /data. */
export function configOf(source: string, ...namespaces: readonly string[]): string {
  return JSON.stringify({
    ociVersion: "1.0.2",
    process: { args: ["/bin/busybox", "sh", "/run.sh"], env: ["PATH=/bin"], cwd: "/" },
    root: { path: "rootfs", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/data", type: "bind", source, options: ["rbind", "rw"] },
    ],
    linux: { namespaces: namespaces.map((type) => ({ type })) },
  });
}

/** As images were written for the runtimes of 2017. */
function oldImage(): Promise<TestImage> {
  const config = {
    ociVersion: "0.3.0",
    platform: { os: "linux", arch: "amd64" },
    process: {
      args: ["/bin/busybox", "sh", "/run.sh"],
      env: ["PATH=/bin"],
      cwd: "/",
      capabilities: ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
      selinuxLabel: "system_u:system_r:container_runtime_t:s0",
    },
    root: { path: "rootfs", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/data", type: "bind", source: "$STATE_DIRECTORY/$NAME", options: ["rbind", "rw", "mode=755"] },
      { destination: "/sys", type: "rbind", source: "/sys", options: ["ro"] },
    ],
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
  };
  return buildImage({
    layers: [
      {
        ...base(`busybox grep ^Cap /proc/1/status >/data/seen; ${ends}`),
        "data/.keep": "",
        "exports/config.json.template": JSON.stringify(config),
        "exports/service.template": service(""),
      },
    ],
  });
}

function scriptImage(script: string, lines: string): Promise<TestImage> {
  return buildImage({
    layers: [{ ...base(script), "exports/service.template": service(lines) }],
    config: { entrypoint: ["/bin/busybox", "sh", "/run.sh"], environment: ["PATH=/bin"] },
  });
}

const service = (lines: string): string =>
  `[Unit]\nDescription=Test of $NAME\n\n[Service]\nExecStart=$EXEC_START\nExecStop=$EXEC_STOP\n${lines}\n\n[Install]\nWantedBy=multi-user.target\n`;

export function base(script: string): LayerFiles {
  const directories = ["dev", "proc", "run", "sys", "tmp"].map((path) => [path, { kind: "directory" }] as const);
  return {
    ...Object.fromEntries(directories),
    "bin/busybox": { kind: "file", content: readFileSync("/bin/busybox"), mode: 0o755 },
    "etc/hosts": "",
    "etc/resolv.conf": "",
    "run.sh": `${script}\n`,
  };
}
