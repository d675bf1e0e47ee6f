import { parseDigest } from "../../../src/image/digest.ts";
import { formatPlatform, parsePlatform } from "../../../src/image/platform.ts";
import {
  containerNameOf,
  formatReference,
  parseName,
  parseReference,
  parseRepository,
} from "../../../src/image/reference.ts";
import { parseRegistriesConf } from "../../../src/image/registries-conf.ts";
import { checkName } from "../../../src/plan/name.ts";
import { parseToml } from "../../../src/toml.ts";
import { expectSame } from "../same.ts";
import type { Target } from "../target.ts";
import { attempt } from "./documents.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
const texts = [
  "registry.example:5000/a/b:v1",
  `docker://quay.io/a/b@${digest}`,
  "oci:/a/b:tag",
  "oci-archive:a.tar",
  "docker-archive:a.tar:@0",
  "dir:/a/b:c",
  "docker-daemon:a/b:c",
  "containers-storage:[overlay@/a+/b]localhost/x:y",
  `ostree:${digest}`,
  "ostree:docker://h/x",
  "etcd:v3",
  "[::1]:5000/x",
  "linux/arm/v7",
  'unqualified-search-registries = ["a.b"]\n[[registry]]\nprefix = "*.x.y"\nlocation = "z/w"\n[[registry.mirror]]\nlocation = "m"\n[aliases]\n"a" = "b/c"\n',
];

/** What people and files call images, hosts and containers: written and read again it is the same. */
export const references: Target = {
  name: "references",
  seeds: texts.map((text) => Buffer.from(text)),
  words: [
    "docker://",
    "oci:",
    "dir:",
    "ostree:",
    "containers-storage:",
    "docker-daemon:",
    "docker-archive:",
    `@${digest}`,
    ":latest",
    "localhost",
    "[::1]",
    ":5000",
    "//",
    "..",
    "@",
    "%2e",
    "\u00e9",
    "[[registry]]\n",
    'prefix = "',
    "*.",
    "\n",
  ],
  run(input) {
    const text = input.toString("utf8");
    attempt(() => {
      const reference = parseReference(text);
      expectSame(parseReference(formatReference(reference)), reference);
      attempt(() => checkName(containerNameOf(reference)));
    });
    attempt(() => parseName(text));
    attempt(() => parseRepository(text));
    attempt(() => {
      const platform = parsePlatform(text);
      expectSame(parsePlatform(formatPlatform(platform)), platform);
    });
    attempt(() => parseDigest(text));
    attempt(() => checkName(text));
    attempt(() => parseRegistriesConf(parseToml(text, "input"), "input"));
  },
};
