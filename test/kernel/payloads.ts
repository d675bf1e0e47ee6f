import { readFileSync } from "node:fs";
import { buildImage, type TestImage } from "../bed/images.ts";
import type { LayerFiles } from "../bed/layer-files.ts";

/** What the limits image asks for in its own config.json. */
export const ownLimits = { memory: { limit: 48 * 1024 * 1024 }, pids: { limit: 12 } };

/** Processes 1 that wait until somebody writes to /gate/open, then want more than they are given; SIGTERM ends them. */
const afterGate = (then: string): string =>
  `trap "exit 143" TERM\nbusybox sh -c "read -r go </gate/open" & wait\n${then}\n`;
const eating = afterGate("exec busybox tail /dev/zero");
const crowding = afterGate(`busybox sleep 100000 & sleeper=$!
(while :; do busybox sleep 100000 & done) 2>/dev/null
echo full >/gate/full
wait $sleeper`);

/** Images of busybox and a shell script. */
export async function buildPayloads(): Promise<Readonly<Record<"eater" | "crowd" | "limited", TestImage>>> {
  const [eater, crowd, limited] = await Promise.all([plainImage(eating), plainImage(crowding), limitedImage()]);
  return { eater, crowd, limited };
}

/** Without /exports: the unit and config.json are keelson's own. */
function plainImage(script: string): Promise<TestImage> {
  return buildImage({
    layers: [base(script)],
    config: { entrypoint: ["/bin/busybox", "sh", "/run.sh"], environment: ["PATH=/bin"], volumes: ["/gate"] },
  });
}

function limitedImage(): Promise<TestImage> {
  const config = {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args: ["/bin/busybox", "sh", "/run.sh"],
      env: ["PATH=/bin"],
      cwd: "/",
    },
    root: { path: "rootfs", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
      { destination: "/gate", type: "bind", source: "$STATE_DIRECTORY/$NAME/gate", options: ["rbind", "rw"] },
    ],
    linux: { resources: ownLimits, namespaces: [{ type: "pid" }, { type: "mount" }] },
  };
  const unit = "[Service]\nExecStart=$EXEC_START\n\n[Install]\nWantedBy=multi-user.target\n";
  return buildImage({
    layers: [
      {
        ...base(eating),
        "exports/config.json.template": JSON.stringify(config),
        "exports/service.template": unit,
        "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME/gate 0755 0 0 - -\n",
      },
    ],
  });
}

function base(script: string): LayerFiles {
  const directories = ["dev", "gate", "proc", "run", "sys", "tmp"].map(
    (path) => [path, { kind: "directory" }] as const,
  );
  return {
    ...Object.fromEntries(directories),
    "bin/busybox": { kind: "file", content: readFileSync("/bin/busybox"), mode: 0o755 },
    "etc/hosts": "",
    "etc/resolv.conf": "",
    "run.sh": script,
  };
}
