import type { LayerFiles } from "./layer-files.ts";

/** A file of a layer; undefined leaves out what etcdLike brings. */
type Changes = Readonly<Record<string, LayerFiles[string] | undefined>>;

/**
 * A layer such as the published etcd image had: a unit, config.json and tmpfiles template, defaults, a file on the host
 * renamed after the container, one rendered, one copied. Two containers of it never meet on the host.
 */
export function etcdLike(changes: Changes = {}): LayerFiles {
  const files: Changes = {
    "usr/bin/etcd": { kind: "file", content: "the etcd program\n", mode: 0o755 },
    "exports/service.template": serviceTemplate,
    "exports/config.json.template": configTemplate(),
    "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME 0700 0 0 - -\nd $RUN_DIRECTORY/$NAME 0755 0 0 - -\n",
    "exports/manifest.json": JSON.stringify(contractManifest),
    "exports/hostfs/usr/local/bin/etcdctl": { kind: "file", content: '#!/bin/sh\necho "$NAME"\n', mode: 0o755 },
    "exports/hostfs/etc/etcd/etcd.conf": { kind: "file", content: `PORT=$PORT\nNAME=\${NAME}\n`, mode: 0o640 },
    ...changes,
  };
  return Object.fromEntries(
    Object.entries(files).flatMap(([path, spec]) => (spec === undefined ? [] : [[path, spec] as const])),
  );
}

export const serviceTemplate = `[Unit]
Description=Etcd Server $NAME
After=network.target

[Service]
ExecStartPre=$EXEC_STARTPRE
ExecStart=$EXEC_START
ExecStop=$EXEC_STOP
ExecStopPost=$EXEC_STOPPOST
Restart=on-failure
WorkingDirectory=$DESTDIR
PIDFile=$PIDFILE

[Install]
WantedBy=multi-user.target
`;

export const contractManifest = {
  version: "1.0",
  defaultValues: { PORT: "2379", RECEIVER: "World" },
  renameFiles: { "/etc/etcd": "$CONF_DIRECTORY/$NAME", "/usr/local/bin/etcdctl": `/usr/local/bin/\${NAME}ctl` },
  installedFilesTemplate: ["$CONF_DIRECTORY/$NAME/etcd.conf"],
};

/** A config.json template with these words in the environment beside the usual ones, and these mounts. */
export function configTemplate(words: readonly string[] = [], mounts: readonly object[] = []): string {
  return JSON.stringify(
    {
      ociVersion: "1.0.2",
      process: {
        terminal: false,
        user: { uid: 0, gid: 0 },
        args: ["/usr/bin/etcd", "--name", "$NAME"],
        env: ["PORT=$PORT", `RECEIVER=\${RECEIVER}`, "UUID=$UUID", ...words],
        cwd: "/",
      },
      root: { path: "rootfs", readonly: true },
      mounts: [{ destination: "/proc", type: "proc", source: "proc" }, ...mounts],
      linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
    },
    undefined,
    2,
  );
}
