import { buildImage, type TestImage } from "../bed/images.ts";
import { base, ends } from "./payloads.ts";

/** An image whose container keeps things where a session, or the host, has what the next boot need not find. */
export function buildSession(): Promise<TestImage> {
  const config = {
    ociVersion: "1.0.2",
    process: { args: ["/bin/busybox", "sh", "/run.sh"], env: ["PATH=/bin"], cwd: "/" },
    root: { path: "rootfs", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/data", type: "bind", source: "$RUN_DIRECTORY/$NAME", options: ["rbind", "rw"] },
    ],
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }, { type: "network" }] },
  };
  const unit = "[Service]\nExecStart=$EXEC_START\n[Install]\nWantedBy=multi-user.target\n";
  return buildImage({
    layers: [
      {
        ...base(`echo here >/data/seen; ${ends}`),
        data: { kind: "directory", uid: 7, gid: 7 },
        "exports/service.template": unit,
        "exports/tmpfiles.template": "d $RUN_DIRECTORY/$NAME 0700 0 0 - -\n",
        "exports/config.json.template": JSON.stringify(config),
      },
    ],
  });
}
