// biome-ignore-all lint/suspicious/noTemplateCurlyInString: string templates are the subject here
import { describe, expect, it } from "vitest";
import { parseContract, variablesOf } from "../../src/contract/contract.ts";
import { controlNames } from "../../src/contract/exports.ts";
import { directoryOf, errorOf, exportsOf, fileOf } from "./contracts.ts";

function problemOf(manifest: string): string {
  const error = errorOf(() => parseContract(exportsOf({ "manifest.json": manifest })));
  expect(error.code).toBe("E_CONTRACT");
  return error.message;
}

describe("parseContract", () => {
  it("knows every control file, and takes an image that brings none", () => {
    expect(parseContract(exportsOf({}))).toEqual({
      manifest: {
        defaultValues: new Map(),
        renameFiles: new Map(),
        installedFilesTemplate: [],
        noContainerService: false,
        useLinks: true,
      },
      hostfs: [],
    });
    const contract = parseContract(
      exportsOf({
        "service.template": "s",
        "config.json.template": "{}",
        "tmpfiles.template": "",
        "manifest.json": "{}",
      }),
    );
    expect([contract.unit, contract.config, contract.tmpfiles]).toEqual([
      { kind: "string-template", name: "/exports/service.template", text: "s" },
      { kind: "string-template", name: "/exports/config.json.template", text: "{}" },
      { kind: "string-template", name: "/exports/tmpfiles.template", text: "" },
    ]);
    for (const base of ["service", "config.json", "tmpfiles"]) {
      for (const [suffix, kind] of [
        ["template", "string-template"],
        ["hbs", "handlebars"],
      ] as const) {
        const name = `${base}.${suffix}`;
        expect(controlNames).toContain(name);
        const { unit, config, tmpfiles } = parseContract(exportsOf({ [name]: "{}" }));
        expect([unit, config, tmpfiles].filter(Boolean)).toEqual([{ kind, name: `/exports/${name}`, text: "{}" }]);
      }
    }
  });

  it("config.json wins over its templates and is verbatim", () => {
    const contract = parseContract(exportsOf({ "config.json": "$x", "config.json.template": "{}" }));
    expect(contract.config).toEqual({ kind: "verbatim", name: "/exports/config.json", text: "$x" });
  });

  it("reads every key of manifest.json", () => {
    const { manifest } = parseContract(
      exportsOf({
        "manifest.json": JSON.stringify({
          version: "1.0",
          defaultValues: { A: "a", N: 1, B: false, L: ["x", { y: 2 }], O: {} },
          renameFiles: { "/usr/local/bin/etcdctl": "/usr/local/bin/${NAME}ctl" },
          installedFilesTemplate: ["/etc/x"],
          noContainerService: true,
          useLinks: false,
          other: null,
        }),
      }),
    );
    expect(manifest).toEqual({
      version: "1.0",
      defaultValues: new Map<string, unknown>([
        ["A", "a"],
        ["N", 1],
        ["B", false],
        ["L", ["x", { y: 2 }]],
        ["O", {}],
      ]),
      renameFiles: new Map([["/usr/local/bin/etcdctl", "/usr/local/bin/${NAME}ctl"]]),
      installedFilesTemplate: ["/etc/x"],
      noContainerService: true,
      useLinks: false,
    });
  });

  it.each(["{", "", "[]", "null", '"x"', "{'a': 1}"])("manifest.json that is %j is an invalid one", (text) => {
    expect(problemOf(text)).toContain("Invalid manifest.json");
  });

  const wrong: readonly (readonly [string, string])[] = [
    ['{"version": []}', "version"],
    ['{"defaultValues": []}', "defaultValues"],
    ['{"defaultValues": {"A": null}}', "defaultValues.A"],
    ['{"defaultValues": {"A": [[null]]}}', "defaultValues.A"],
    [`{"defaultValues": {"A": ${"[".repeat(5000)}${"]".repeat(5000)}}}`, "defaultValues.A"],
    ['{"renameFiles": "x"}', "renameFiles"],
    ['{"renameFiles": {"/a": 1}}', "renameFiles./a"],
    ['{"renameFiles": {"a": "/b"}}', "renameFiles"],
    ['{"renameFiles": {"/a/../b": "/b"}}', "renameFiles"],
    ['{"renameFiles": {"/a//b": "/b"}}', "renameFiles"],
    ['{"renameFiles": {"/": "/b"}}', "renameFiles"],
    ['{"installedFilesTemplate": {}}', "installedFilesTemplate"],
    ['{"installedFilesTemplate": [1]}', "installedFilesTemplate"],
    ['{"noContainerService": "true"}', "noContainerService"],
    ['{"useLinks": 1}', "useLinks"],
  ];
  it.each(wrong)("%.60s is refused, naming the key", (text, key) => {
    expect(problemOf(text)).toContain(`/exports/manifest.json: ${key}`);
  });

  it("tells all problems at once", () => {
    const error = errorOf(() =>
      parseContract(
        exportsOf({
          "service.template": "$(a)",
          "service.hbs": "{{",
          "tmpfiles.hbs": "\0{{a",
          "manifest.json": '{"useLinks": 1, "noContainerService": 2, "renameFiles": {"/a": "$"}}',
        }),
      ),
    );
    expect(error.code).toBe("E_CONTRACT");
    expect(error.message.split("; ").map((problem) => problem.slice(0, 45))).toEqual([
      "/exports/manifest.json: noContainerService is",
      "/exports/manifest.json: useLinks is neither t",
      "/exports holds both service.template and serv",
      "/exports/tmpfiles.hbs holds a NUL character",
      "/exports/service.template: Invalid placeholde",
      "/exports/tmpfiles.hbs is not a Handlebars tem",
      "/exports/manifest.json: Invalid placeholder i",
    ]);
  });

  it("11: bad template syntax alone is E_TEMPLATE", () => {
    const error = errorOf(() => parseContract(exportsOf({ "service.template": "[Unit]\nA=$(x)" })));
    expect(error.code).toBe("E_TEMPLATE");
    expect(error.message).toBe("/exports/service.template: Invalid placeholder in string: line 2, col 3");
  });
});

describe("variablesOf", () => {
  it("71: groups the variables of control files, templated host files and renamed paths", () => {
    const contract = parseContract(
      exportsOf(
        {
          "service.template": "$NAME $EXEC_START $AFTER $$MAINPID $RUNTIME ${ATOMIC} $UUID",
          "config.json.hbs": "{{#if MOUNTS}}{{MOUNTS}}{{/if}}{{PORT}}",
          "tmpfiles.template": "$STATE_DIRECTORY $CONF_DIRECTORY $MUST",
          "manifest.json": JSON.stringify({
            defaultValues: { AFTER: "etcd.service", MOUNTS: [1], PORT: 80, UNUSED: "x", CONF_DIRECTORY: "/etc" },
            renameFiles: { "/etc/a": "/etc/$IN_PATH/a" },
            installedFilesTemplate: ["/etc/b", "/etc/etcd/a"],
          }),
        },
        [fileOf("/etc/a", "$RENAMED"), fileOf("/etc/b", "$IN_FILE"), fileOf("/etc/c", "$VERBATIM $")],
      ),
    );
    expect(variablesOf(contract)).toEqual({
      overridable: new Map([
        ["AFTER", "etcd.service"],
        ["MOUNTS", "[1]"],
        ["PORT", "80"],
      ]),
      required: ["IN_FILE", "IN_PATH", "MUST", "RENAMED"],
      provided: ["ATOMIC", "CONF_DIRECTORY", "EXEC_START", "NAME", "RUNTIME", "STATE_DIRECTORY", "UUID"],
    });
  });

  it("71: works without a manifest, and an image may give UUID a default", () => {
    expect(variablesOf(parseContract(exportsOf({ "service.template": "$A" })))).toEqual({
      overridable: new Map(),
      required: ["A"],
      provided: [],
    });
    const manifest = '{"defaultValues": {"UUID": "u"}}';
    const contract = parseContract(exportsOf({ "service.template": "$UUID", "manifest.json": manifest }));
    expect(variablesOf(contract).overridable).toEqual(new Map([["UUID", "u"]]));
  });

  it("71: a templated host file that is not text is E_TEMPLATE, naming it", () => {
    const binary = {
      ...fileOf("/etc/b"),
      text: () => {
        throw new TypeError("not UTF-8");
      },
    };
    const manifest = '{"installedFilesTemplate": ["/etc/b"]}';
    const error = errorOf(() =>
      variablesOf(parseContract(exportsOf({ "manifest.json": manifest }, [directoryOf("/etc"), binary]))),
    );
    expect(error.code).toBe("E_TEMPLATE");
    expect(error.message).toContain("/exports/hostfs/etc/b");
  });
});
