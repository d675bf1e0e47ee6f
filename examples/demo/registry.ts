import type { Machine } from "./machine.ts";

/** What the registry in a machine is reached by, in that machine. */
export const registryHost = "127.0.0.1:5000";

const home = "/run/demo-registry";
const configuration = {
  version: "0.1",
  storage: { filesystem: { rootdirectory: home } },
  http: { addr: registryHost, secret: "an upload may span several registries; this one is alone" },
};

/**
 * Starts Debian's docker-registry on the machine's loopback and copies images to it, byte for byte: `images` is the name
 * to give each and what skopeo reads it from, inside the machine. It and what it holds are gone at the next shutdown.
 */
export async function serveImages(machine: Machine, images: Readonly<Record<string, string>>): Promise<void> {
  await machine.ok(["mkdir", "-p", home]);
  await machine.ok(["tee", `${home}/config.json`], { input: JSON.stringify(configuration) });
  await machine.ok([
    "systemd-run",
    "--quiet",
    "--unit=demo-registry",
    "docker-registry",
    "serve",
    `${home}/config.json`,
  ]);
  const answers = `until curl --silent --fail --output /dev/null http://${registryHost}/v2/; do sleep 0.05; done`;
  await machine.ok(["timeout", "20", "sh", "-c", answers]);
  for (const [name, source] of Object.entries(images)) {
    const copy = ["skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"];
    await machine.ok([...copy, source, `docker://${registryHost}/${name}:latest`]);
  }
  // skopeo's memory of what it copied has no place among what a comparison of the disk shows.
  await machine.ok(["rm", "-f", "/var/lib/containers/cache/blob-info-cache-v1.boltdb"]);
}
