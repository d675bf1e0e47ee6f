import { describe, expect, it } from "vitest";
import { parseIni } from "../../src/ini.ts";
import { importQuadlet } from "../../src/plan/import-quadlet.ts";
import { parseStack } from "../../src/plan/stack.ts";

const imported = (text: string) => importQuadlet(text, "web", "web.container");
const container = (...lines: readonly string[]) => imported(["[Container]", "Image=host/web", ...lines].join("\n"));

/** The one member of the stack file, as apply reads it. */
function member(stack: string) {
  const [found] = parseStack([{ path: "web.conf", sections: parseIni(stack) }]);
  return found;
}

const whole = `[Unit]
Description=A web server
After=db.service
Requires=db.service

[Container]
Image=registry.example.com/web:1
ContainerName=the-web
Environment=PORT=80 "MOTD=a ; b \\"c\\""
Environment=HOME=/root
Exec=serve --verbose "two words"
Volume=/srv/web:/data:ro,Z
DropCapability=all
AddCapability=net_bind_service CAP_CHOWN
Ulimit=nofile=1024:4096
PidsLimit=100
Memory=512m
Network=host
ReadOnly=true
HostName=web

[Service]
Restart=always
Type=oneshot

[Install]
WantedBy=default.target
`;

describe("a .container file", () => {
  it("becomes a section of a stack, and a drop-in", () => {
    const { stack, dropIn, lost } = imported(whole);
    expect(member(stack)).toMatchObject({ name: "web", image: "registry.example.com/web:1", start: true });
    const { overrides, enable } = member(stack)?.stack ?? {};
    expect(enable).toBe(true);
    expect(overrides).toMatchObject({
      environment: { PORT: "80", MOTD: 'a ; b "c"', HOME: "/root" },
      process: { args: ["serve", "--verbose", "two words"] },
      mounts: { "/data": "/srv/web:ro" },
      capabilities: { add: "CAP_NET_BIND_SERVICE CAP_CHOWN" },
      limits: { nofile: "1024:4096", pids: "100", memory: "512M" },
    });
    expect(String(overrides?.capabilities?.drop).split(" ")).toHaveLength(41);
    expect(dropIn).toBe(`# From web.container, by keelson import quadlet.
[Unit]
Description=A web server
After=db.service
Requires=db.service
[Service]
Restart=always
`);
    expect(lost).toEqual([
      "Exec= in place of the image's own Cmd, if it has one: the words stand behind it",
      "Volume=/srv/web:/data:ro,Z: the option Z",
      "ContainerName=the-web",
      "HostName=web",
      "[Service] Type=oneshot",
    ]);
  });

  it("that nothing starts at boot is not enabled", () => {
    expect(member(container().stack)?.stack.enable).toBe(false);
  });

  it.each<readonly [string, string]>([
    ["Volume=data:/data", "Volume=data:/data"],
    ["Volume=%h/data:/data", "Volume=%h/data:/data"],
    ["Volume=/a/../b:/data", "Volume=/a/../b:/data"],
    ["Environment=HOME=%h", "Environment=HOME=%h"],
    ["Environment=1=2", "Environment=1=2"],
    ["Ulimit=nofile=9:1", "Ulimit=nofile=9:1"],
    ["Ulimit=nothing=1", "Ulimit=nothing=1"],
    ["Memory=much", "Memory=much"],
    ["PodmanArgs=--privileged", "PodmanArgs=--privileged"],
    ["PublishPort=80:80", "PublishPort=80:80"],
    ["AddCapability=x;y", "the capability CAP_X;Y"],
    ["[Service]\nKillMode=none", "[Service] KillMode=none"],
    ["[Install]\nWantedBy=basic.target", "[Install] WantedBy=basic.target"],
    ["[Quadlet]\nDefaultDependencies=false", "[Quadlet] DefaultDependencies=false"],
  ])("with %j: that is said, and the rest holds", (line, said) => {
    const { stack, lost } = container(line);
    expect(lost).toContain(said);
    expect(member(stack)).toMatchObject({ image: "host/web", stack: { overrides: {} } });
  });

  it("that leaves podman its network and a root to write to is told what is other here", () => {
    expect(container().lost).toEqual([
      "podman's own network: the image says, and one without /exports shares that of the host",
      "a root that can be written to: it is read-only, but for volumes",
    ]);
  });

  it.each(["[Container]\n", "[Container]\nImage=web.build\n", "[Container]\nImage\n", "[Pod]\nImage=host/web\n"])(
    "such as %j is refused",
    (text) => {
      expect(() => imported(text)).toThrow(expect.objectContaining({ code: "E_QUADLET" }));
    },
  );
});
