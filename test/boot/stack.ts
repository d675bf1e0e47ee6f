import { buildImage, type TestImage } from "../bed/images.ts";
import { inRegistry } from "./host.ts";
import { base, ends } from "./payloads.ts";

/** Three services, each of which requires the one before it; what version each is stands in its /data/version. */
export const chain = ["store", "net", "box"] as const;

type Name = (typeof chain)[number];

/** What each image is in the registry, by name and version: `store1`, `store2` and so on; `net3` ends soon after its start. */
export async function buildChain(): Promise<Readonly<Record<string, TestImage>>> {
  const relations: Readonly<Record<Name, object>> = {
    store: { provides: ["kv/store"] },
    net: { provides: ["net"], requires: [{ name: "kv/store", ready: true }] },
    box: { requires: ["net"] },
  };
  const versions = chain.flatMap((name) => ["1", "2", "3"].map((version) => [name, version] as const));
  const images = versions.map(async ([name, version]) => {
    const faulty = name === "net" && version === "3";
    const script = `echo ${version} >/data/version; ${faulty ? "busybox sleep 0.7; echo no route >&2; exit 1" : ends}`;
    return [`${name}${version}`, await image(script, relations[name])] as const;
  });
  return Object.fromEntries(await Promise.all(images));
}

/** A stack file of these versions. */
export function stackOf(versions: Partial<Readonly<Record<Name, string>>>): string {
  return Object.entries(versions)
    .reverse()
    .map(([name, version]) => `[${name}]\nimage = ${inRegistry(`${name}${version}`)}\n`)
    .join("\n");
}

const config = {
  ociVersion: "1.0.2",
  process: { args: ["/bin/busybox", "sh", "/run.sh"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
  root: { path: "rootfs", readonly: true },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/data", type: "bind", source: "$STATE_DIRECTORY/$NAME", options: ["rbind", "rw"] },
  ],
  linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
};

function image(script: string, manifest: object): Promise<TestImage> {
  return buildImage({
    layers: [
      {
        ...base(script),
        data: { kind: "directory" },
        "exports/service.template":
          "[Service]\nExecStart=$EXEC_START\nExecStop=$EXEC_STOP\n[Install]\nWantedBy=multi-user.target\n",
        "exports/config.json.template": JSON.stringify(config),
        "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME 0755 0 0 - -\n",
        "exports/manifest.json": JSON.stringify(manifest),
      },
    ],
  });
}
