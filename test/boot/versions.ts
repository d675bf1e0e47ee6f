import { buildImage, type TestImage } from "../bed/images.ts";
import { base, configOf, ends } from "./payloads.ts";

/** Versions of one service, good and faulty: what each says it is stands in its /data/version. */
export async function buildVersions() {
  const say = (version: string): string => `echo ${version} >/data/version; `;
  const [v1, v2, moved, fails, later, loops, unready, sick, breaks, relinked] = await Promise.all([
    version(say("1") + ends),
    version(say("2") + ends),
    version(say("2") + ends, "", undefined, "RequiredBy=keelson-test.target"),
    version(`${say("3")}echo cannot open the database >&2; exit 3`, "Type=notify"),
    version(`${say("4")}busybox sleep 0.7; exit 1`),
    version(`${say("5")}busybox sleep 0.3; exit 1`, "Restart=always\nRestartSec=100ms"),
    version(say("6") + ends, "Type=notify\nTimeoutStartSec=1s"),
    version(say("7") + ends, "", { command: ["/bin/busybox", "false"], interval: "200ms", retries: 1 }),
    version(say("none") + ends),
    version(say("8") + ends, "[Install]\nWantedBy=basic.target"),
  ]);
  return { v1, v2, moved, fails, later, loops, unready, sick, breaks, relinked };
}

function version(
  script: string,
  lines = "",
  health?: object,
  install = "WantedBy=multi-user.target",
): Promise<TestImage> {
  const manifest = { version: "1.0", ...(health === undefined ? {} : { health }) };
  return buildImage({
    layers: [
      {
        ...base(script),
        data: { kind: "directory" },
        "exports/service.template": `[Service]\nExecStart=$EXEC_START\n${lines}\n[Install]\n${install}\n`,
        "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME 0755 0 0 - -\n",
        "exports/config.json.template": configOf("$STATE_DIRECTORY/$NAME", "pid", "mount"),
        "exports/manifest.json": JSON.stringify(manifest),
      },
    ],
  });
}
