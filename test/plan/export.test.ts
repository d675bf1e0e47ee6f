import { describe, expect, it } from "vitest";
import type { Deployment } from "../../src/plan/deployment.ts";
import { exportCompose } from "../../src/plan/export-compose.ts";
import { exportPortable } from "../../src/plan/export-portable.ts";
import { exportQuadlet } from "../../src/plan/export-quadlet.ts";
import { readExported, type Translation } from "../../src/plan/exported.ts";
import { readExportedUnit } from "../../src/plan/exported-unit.ts";
import { parseYaml } from "../../src/yaml.ts";
import { bind } from "./deployments.ts";
import { config, deployment, start, unit } from "./exported.ts";

const translators = { quadlet: exportQuadlet, compose: exportCompose, portable: exportPortable };

function translated(as: keyof typeof translators, given = deployment(), addition?: string): Translation {
  const facts = [readExported(given.config), readExportedUnit(given, addition, "/var/lib/keelson")] as const;
  return translators[as](given, ...facts, "host/etcd@sha256:aa");
}

const everywhere = ["config.json: the mount of overlay on /x", "config.json: linux.resources.cpu"];

describe("a container", () => {
  it("is a .container file for podman", () => {
    const { text, lost } = translated("quadlet");
    expect(text).toBe(`[Unit]
Description=A store
After=network.target

[Container]
Image=host/etcd@sha256:aa
ContainerName=etcd
PodmanArgs=--entrypoint=/bin/etcd
Exec=--name "a $$b 100%%"
PodmanArgs=--workdir=/srv
Environment=PATH=/bin
Environment="MOTD=say \\"hi\\""
User=0
Group=0
PodmanArgs=--group-add=5
ReadOnly=true
PodmanArgs=--read-only-tmpfs=false
DropCapability=all
AddCapability=CAP_CHOWN
SeccompProfile=unconfined
NoNewPrivileges=true
Tmpfs=/tmp:nosuid,mode=1777
Volume=/srv/etcd:/data:rw
Volume=/etc/etcd:/conf:ro
Network=host
PodmanArgs=--cgroupns=host
PodmanArgs=--hostname=etcd
PodmanArgs=--ulimit=nofile=1024:4096
PodmanArgs=--memory=1048576b
PodmanArgs=--pids-limit=-1
Notify=true
PodmanArgs=--stop-signal=SIGINT

[Service]
ExecStartPre=/bin/true
Restart=always

[Install]
WantedBy=multi-user.target
`);
    expect(lost).toEqual(everywhere);
  });

  it("is a service of compose", () => {
    const { text, lost } = translated("compose");
    expect(parseYaml(text)).toEqual({
      services: {
        etcd: {
          image: "host/etcd@sha256:aa",
          container_name: "etcd",
          entrypoint: ["/bin/etcd", "--name", "a $$b 100%"],
          command: [],
          environment: ["PATH=/bin", 'MOTD=say "hi"'],
          working_dir: "/srv",
          user: "0:0",
          group_add: ["5"],
          read_only: true,
          cap_drop: ["ALL"],
          cap_add: ["CHOWN"],
          security_opt: ["seccomp=unconfined", "no-new-privileges:true"],
          volumes: [
            { type: "bind", source: "/srv/etcd", target: "/data" },
            { type: "bind", source: "/etc/etcd", target: "/conf", read_only: true },
          ],
          tmpfs: ["/tmp:nosuid,mode=1777"],
          network_mode: "host",
          ipc: "private",
          cgroup: "host",
          userns_mode: "host",
          hostname: "etcd",
          ulimits: { nofile: { soft: 1024, hard: 4096 } },
          mem_limit: 1048576,
          stop_signal: "SIGINT",
          restart: "always",
        },
      },
    });
    expect(lost).toEqual([
      ...everywhere,
      "that it says by itself when it is ready",
      "the unit: After=network.target",
      "the unit: ExecStartPre=/bin/true",
      "the unit: WantedBy=multi-user.target",
    ]);
  });

  it("is the unit of a portable service", () => {
    const { text, lost } = translated("portable");
    expect(text.split("\n").slice(4)).toEqual(
      `[Service]
ExecStartPre=/bin/true
Restart=always
Type=notify
ExecStart=/bin/etcd --name "a $$b 100%%"
Environment=PATH=/bin
Environment="MOTD=say \\"hi\\""
WorkingDirectory=/srv
User=0
Group=0
SupplementaryGroups=5
CapabilityBoundingSet=CAP_CHOWN
NoNewPrivileges=yes
DevicePolicy=closed
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectSystem=strict
MountAPIVFS=yes
TemporaryFileSystem=/tmp:nosuid,mode=1777
BindPaths=/srv/etcd:/data
ReadWritePaths=/data
BindReadOnlyPaths=/etc/etcd:/conf
PrivateIPC=yes
ProtectHostname=yes
LimitNOFILE=1024:4096
MemoryMax=1048576
KillSignal=SIGINT
SuccessExitStatus=143

[Install]
WantedBy=multi-user.target
`.split("\n"),
    );
    expect(lost).toEqual([
      ...everywhere,
      "its own namespace of processes: it sees those of the host",
      "a /run of its own: the profile trusted shows it the host's",
      "its host name etcd",
    ]);
  });

  it("takes along what keelson adds to its unit for others", () => {
    expect(translated("quadlet", deployment(), "[Unit]\nAfter=kv.service\nUpholds=kv.service\n").text).toContain(
      "After=network.target\nAfter=kv.service\nUpholds=kv.service\n",
    );
  });
});

describe("what cannot be expressed is said", () => {
  it.each<readonly [string, Deployment, string]>([
    [
      "a command of the unit around the start",
      deployment({}, unit.replace(`ExecStart=${start}`, `ExecStart=/bin/sh -c '${start}'`)),
      `the unit: ExecStart=/bin/sh -c '${start}', which is more than the start of the container`,
    ],
    [
      "a path of keelson's in the unit",
      deployment({}, unit.replace("/bin/true", "/bin/ls /var/lib/keelson/deployments/etcd/current")),
      "the unit: ExecStartPre=/bin/ls /var/lib/keelson/deployments/etcd/current",
    ],
    [
      "a mount with a colon in its path",
      deployment({ config: JSON.stringify({ ...config, mounts: [{ ...bind("/a:b"), destination: "/c" }] }) }),
      "the mount on /c: its path has a colon",
    ],
    [
      "an option that podman has not",
      deployment({ config: JSON.stringify({ ...config, mounts: [bind("/a", "idmap")] }) }),
      "the mount on /x: its option idmap",
    ],
    [
      "capabilities that only set-id programs have",
      deployment({
        config: JSON.stringify({
          ...config,
          process: { ...config.process, noNewPrivileges: false, user: { uid: 5, gid: 5 } },
        }),
      }),
      "what set-id programs in it may gain: CAP_CHOWN",
    ],
    [
      "a value with a newline",
      deployment({ config: JSON.stringify({ ...config, process: { ...config.process, env: ["A=1\n2"] } }) }),
      "Environment=A=1\n2: it has control characters",
    ],
  ])("%s", (_, given, line) => {
    expect(translated("quadlet", given).lost).toContain(line);
  });
});
