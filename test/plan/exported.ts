import type { Deployment } from "../../src/plan/deployment.ts";
import { deploymentOf } from "./deployments.ts";

/** How the unit starts its container. */
export const start = "/usr/sbin/runc run -d etcd";
export const unit = `[Unit]
Description=A store
After=network.target
[Service]
Type=notify
ExecStart=${start}
ExecStartPre=/bin/true
Restart=always
[Install]
WantedBy=multi-user.target

# Added by keelson.
[Unit]
RequiresMountsFor=/var/lib/keelson
After=keelson-recover.service
[Service]
Delegate=yes
KillSignal=SIGINT
SuccessExitStatus=143
ExecStopPost=-/usr/sbin/runc delete -f etcd
`;
export const config = {
  ociVersion: "1.0.2",
  process: {
    args: ["/bin/etcd", "--name", "a $b 100%"],
    env: ["PATH=/bin", 'MOTD=say "hi"'],
    cwd: "/srv",
    user: { uid: 0, gid: 0, additionalGids: [5] },
    capabilities: { bounding: ["CAP_CHOWN"], effective: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"] },
    rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }],
    noNewPrivileges: true,
  },
  root: { path: "rootfs", readonly: true },
  hostname: "etcd",
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/sys", type: "bind", source: "/sys", options: ["rbind", "ro"] },
    { destination: "/etc/hosts", type: "bind", source: "/etc/hosts", options: ["bind", "ro"] },
    { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=1777"] },
    { destination: "/data", type: "bind", source: "/srv/etcd", options: ["rbind", "rw"] },
    { destination: "/conf", type: "bind", source: "/etc/etcd", options: ["rbind", "ro"] },
    { destination: "/x", type: "overlay", source: "overlay" },
  ],
  linux: {
    namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }],
    maskedPaths: ["/proc/kcore"],
    resources: { devices: [{ allow: false, access: "rwm" }], memory: { limit: 1048576 }, cpu: { shares: 5 } },
  },
};

/** etcd with something of everything that a translation has to say. */
export function deployment(changed: Partial<Deployment> = {}, text = unit): Deployment {
  const path = "/etc/systemd/system/etcd.service";
  const service = { unit: "etcd.service", path, text, enabled: true, links: [] };
  return deploymentOf(config, { service, values: { EXEC_START: start }, ...changed });
}
