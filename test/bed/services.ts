import { etcdLike } from "./etcd-like.ts";
import type { LayerFiles } from "./layer-files.ts";

/** A layer of an image with a service that says this of its place, with these lines in its unit, and brings nothing else. */
export function serviceLayer(manifest: object, lines = ""): LayerFiles {
  const service = `[Unit]\n${lines}\n[Service]\nExecStart=$EXEC_START\n[Install]\nWantedBy=multi-user.target\n`;
  return etcdLike({
    "exports/manifest.json": JSON.stringify(manifest),
    "exports/service.template": service,
    "exports/tmpfiles.template": undefined,
    "exports/hostfs/usr/local/bin/etcdctl": undefined,
    "exports/hostfs/etc/etcd/etcd.conf": undefined,
    "exports/config.json.template":
      '{"root": {"path": "rootfs", "readonly": true}, "process": {"cwd": "/", "args": ["/usr/bin/etcd"]}}',
  });
}
