import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configTemplate, contractManifest, serviceTemplate } from "../../bed/etcd-like.ts";
import { type BuiltImage, casesOf, refused } from "../case.ts";
import { character, fifo, file, layer, symlink, withPax } from "../entries.ts";

const install = { name: "hostile" };
const contract = refused("E_CONTRACT", /exports/);

interface Brought {
  readonly service?: string;
  readonly config?: string;
  readonly manifest?: object;
  readonly tmpfiles?: string;
}

/** An image with a contract, and these entries behind it. */
function image(
  { service = serviceTemplate, config = configTemplate(), manifest = contractManifest, tmpfiles = "" }: Brought,
  ...more: readonly Buffer[]
): BuiltImage {
  return {
    install,
    layers: [
      layer(
        file("usr/bin/etcd", "x", { mode: 0o755 }),
        file("exports/service.template", service),
        file("exports/config.json.template", config),
        file("exports/tmpfiles.template", tmpfiles),
        file("exports/manifest.json", JSON.stringify(manifest)),
        ...more,
      ),
    ],
  };
}

const withSet = (value: string): BuiltImage => ({ ...image({}), install: { name: "hostile", set: [value] } });
const named = (name: string): BuiltImage => ({ ...image({}), install: { name } });
const renaming = (to: string): BuiltImage =>
  image({ manifest: { ...contractManifest, renameFiles: { "/etc/x": to } } }, file("exports/hostfs/etc/x", "x"));

/** What an image, or a value, would do to the host that installs it. */
export const host = casesOf(
  "2.8",
  [
    "exports that are a link to the host",
    ({ outside }) =>
      image({}, symlink("exports/service.template", join(outside, "secret")), symlink("exports/hostfs", outside)),
    contract,
  ],
  [
    "host files that are a link to the host",
    ({ outside }) => image({}, symlink("exports/hostfs", outside)),
    refused("E_CONTRACT", /hostfs/),
  ],
  ["a template that is a fifo", image({}, fifo("exports/service.template")), refused("E_CONTRACT", /it is a fifo/)],
  [
    "a template that is a device",
    image({}, character("exports/service.template", 1, 5)),
    refused("E_CONTRACT", /it is a character/),
  ],
  [
    "a template of 2 MiB",
    image({ service: `${serviceTemplate}#${"x".repeat(2 ** 21)}\n` }),
    refused("E_LIMIT", /larger than 1048576/),
  ],
  ["a template with a NUL", image({ service: `${serviceTemplate}\0` }), refused("E_CONTRACT", /NUL/)],
  ["a template that is no text", image({ service: `${serviceTemplate}\xff` }), refused("E_CONTRACT", /UTF-8/)],
  [
    "a value with a line break",
    {
      ...image({ service: serviceTemplate.replace("$NAME", "$RECEIVER") }),
      install: { name: "hostile", set: ["RECEIVER=x\nExecStartPre=/bin/sh"] },
    },
    refused("E_VALUE", /RECEIVER/),
  ],
  [
    "a value that joins two lines",
    {
      ...image({ service: serviceTemplate.replace("$NAME", "$RECEIVER") }),
      install: { name: "hostile", set: ["RECEIVER=x\\"] },
    },
    refused("E_VALUE", /RECEIVER/),
  ],
  [
    "a default with a line break",
    image({
      service: serviceTemplate.replace("$NAME", "$BAD"),
      manifest: { ...contractManifest, defaultValues: { ...contractManifest.defaultValues, BAD: "x\nUser=root" } },
    }),
    refused("E_VALUE", /BAD/),
  ],
  [
    "a variable that nobody gives",
    image({ service: serviceTemplate.replace("$NAME", "$NOWHERE") }),
    refused("E_VALUE_MISSING", /NOWHERE/),
  ],
  [
    "a variable called constructor",
    image({ service: serviceTemplate.replace("$NAME", "$constructor") }),
    refused("E_VALUE_MISSING", /constructor/),
  ],
  ["a value for what keelson sets itself", withSet("EXEC_START=/bin/sh"), refused("E_SET", /EXEC_START/)],
  ...["../x", "-flag", ".", "a/b", "a@", "@b", "a@b@c", "a b", "a\nb", "a%b", "n".repeat(64), "\u00e9", ""].map(
    (name) => [`the name ${JSON.stringify(name)}`, named(name), refused("E_NAME", /./)] as const,
  ),
  [
    "the name of a unit of the host",
    {
      ...named("sshd"),
      prepare: (root: string) => {
        mkdirSync(join(root, "usr/lib/systemd/system"), { recursive: true });
        writeFileSync(join(root, "usr/lib/systemd/system/sshd.service"), "[Service]\n");
      },
    },
    refused("E_NAME_TAKEN", /sshd/),
  ],
  ["a file renamed to where it climbs", renaming("/etc/../../x"), refused("E_HOST_FILE", /without/)],
  ["a file renamed to a relative path", renaming("etc/x"), refused("E_HOST_FILE", /without/)],
  ["a file renamed to a line of its own", renaming("/etc/x\nd /evil"), refused("E_HOST_FILE", /without/)],
  [
    "a host file that is set-uid",
    image({}, file("exports/hostfs/usr/bin/x", "x", { mode: 0o4755 })),
    refused("E_HOST_FILE", /setuid/),
  ],
  [
    "a host file that is a device",
    image({}, character("exports/hostfs/dev/x", 1, 3)),
    refused("E_HOST_FILE", /character device/),
  ],
  [
    "a host file whose name is no line",
    image({}, withPax({ path: "exports/hostfs/etc/a\nb" }, file("x"))),
    refused("E_HOST_FILE", /./),
  ],
  [
    "a host file where a dangling link of the host is",
    {
      ...image({}, file("exports/hostfs/etc/x", "x")),
      prepare: (root: string) => {
        mkdirSync(join(root, "etc"), { recursive: true });
        symlinkSync("/var/victim", join(root, "etc/x"));
      },
    },
    refused("E_FILE_EXISTS", /etc\/x/),
  ],
  [
    "a root that is the host's",
    image({ config: configTemplate().replace('"rootfs"', '"/"') }),
    refused("E_CONFIG", /root/),
  ],
  [
    "a root that can be written",
    image({ config: configTemplate().replace('"readonly": true', '"readonly": false') }),
    refused("E_CONFIG", /root|readonly/),
  ],
  [
    "hooks of the runtime",
    image({ config: configTemplate().replace('"process"', '"hooks":{"prestart":[{"path":"/bin/sh"}]},"process"') }),
    refused("E_CONFIG", /hooks/),
  ],
  ["a configuration that is not JSON", image({ config: "{" }), refused("E_CONFIG", /./)],
  [
    "a value that would be a line of tmpfiles.d",
    {
      ...image({ tmpfiles: "d $RECEIVER 0755 0 0 - -\n" }),
      install: { name: "hostile", set: ["RECEIVER=/var/x 0755 0 0 - -\nR! /etc"] },
    },
    refused("E_VALUE", /RECEIVER/),
  ],
  ...["R! /etc", "R /var/lib/*", "D /usr/lib/app 0755 0 0 - -", "d /var/log 0755 0 0 1d -"].map(
    (line) =>
      [
        `the tmpfiles line ${line}`,
        image({ tmpfiles: `${line}\n` }),
        refused("E_TMPFILES", /would remove what is the host's/),
      ] as const,
  ),
  [
    "/proc that is a symlink",
    ({ outside }) => image({}, symlink("proc", outside)),
    refused("E_LAYER", /\/proc is a symlink/),
  ],
  ["/dev that is a symlink", image({}, symlink("dev", "/dev")), refused("E_LAYER", /\/dev is a symlink/)],
);
