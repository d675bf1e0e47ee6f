// biome-ignore-all lint/suspicious/noTemplateCurlyInString: string templates are the subject here
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderConfig } from "../../src/contract/template.ts";
import type { Json } from "../../src/image/json.ts";
import { errorOf, handlebarsTemplate, stringTemplate, valuesOf } from "./contracts.ts";

function render(text: string, values: Readonly<Record<string, Json>>): Json {
  return JSON.parse(renderConfig(stringTemplate(text, "/exports/config.json.template"), valuesOf(values)));
}

function codeOf(text: string, values: Readonly<Record<string, Json>>): string {
  return errorOf(() => render(text, values)).code;
}

describe("values in a JSON template", () => {
  it("13: a value in a string is escaped, and the JSON parses back to it", () => {
    expect(render('{"args": ["--name=${V}"]}', { V: 'a"b' })).toEqual({ args: ['--name=a"b'] });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(render('{"$A": ["x\\"$A\\\\$B", "{$B"], "n": [$N]}', { A: a, B: b, N: "1" })).toEqual({
          [a]: [`x"${a}\\${b}`, `{${b}`],
          n: [1],
        });
      }),
    );
  });

  it("13: the same holds in Handlebars, which knows strings too", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const template = handlebarsTemplate('{"a": "<{{V}}>", "b": {{jsonString V}}, "c": {{json V}} }');
        const text = renderConfig(template, valuesOf({ V: value }));
        expect(JSON.parse(text)).toEqual({ a: `<${value}>`, b: value, c: value });
      }),
    );
  });

  it("writes numbers and booleans into strings as text, and refuses lists and objects there", () => {
    expect(render('["$N/$B"]', { N: 8080, B: true })).toEqual(["8080/true"]);
    expect(codeOf('["$L"]', { L: [1] })).toBe("E_VALUE");
    expect(codeOf('["$L"]', { L: {} })).toBe("E_VALUE");
  });

  const mount = '{"type":"bind","source":"/a","destination":"/b"}';
  const fits: readonly (readonly [string, string, Json, Json])[] = [
    ["nothing", '{"mounts": [1 $V]}', "", { mounts: [1] }],
    ["a mount after a comma", '{"mounts": [1 $V]}', `,${mount}`, { mounts: [1, JSON.parse(mount)] }],
    [
      "two mounts",
      '{"mounts": [1 $V]}',
      ` , ${mount}, ${mount} `,
      { mounts: [1, JSON.parse(mount), JSON.parse(mount)] },
    ],
    ["items before a comma", "[$V 1]", '"a", "b",', ["a", "b", 1]],
    ["members", '{"a": 1 $V}', ',"b": {"c": []}', { a: 1, b: { c: [] } }],
    ["a number", '{"uid": $V}', "996", { uid: 996 }],
    ["true", '{"terminal": $V}', "true", { terminal: true }],
    ["a list that is a default", '{"args": $V}', ["a", 'b"c'], { args: ["a", 'b"c'] }],
    ["an object that is a default", '{"env": $V}', { k: [1] }, { env: { k: [1] } }],
    ["a string with brackets in it", "[$V]", '"]}"', ["]}"]],
  ];
  it.each(fits)("takes %s outside a string", (_, text, value, expected) => {
    expect(render(text, { V: value })).toEqual(expected);
  });

  const breaksOut: readonly (readonly [string, string, string])[] = [
    ["closes the list", '{"a": [$V]}', '1], "b": [2'],
    ["closes the object", '{"a": {$V}}', '"x": 1}, "b": {"y": 2'],
    ["opens a string", '{"a": [$V]}', '"'],
    ["opens a list", '{"a": $V}', "["],
    ["has a value and a member", '{"uid": $V}', '0, "gid": 0'],
    ["is bare text", '{"a": $V}', "etcd"],
    ["is two commas", "[1 $V 2]", ",,"],
    ["ends in a comment", "[1 $V]", "/*"],
  ];
  it.each(breaksOut)("refuses a value that %s, without repeating it", (_, text, value) => {
    const error = errorOf(() => render(text, { SECRET: value, V: value }));
    expect(error.code).toBe("E_VALUE");
    expect(error.message).toContain("/exports/config.json.template: the value of V ");
    expect(error.message).not.toContain(value);
  });

  it("no value outside a string changes anything but the list it stands in", () => {
    const piece = fc.constantFrom("[", "]", "{", "}", ",", ":", '"', '"k"', "1", " ", "\\", "null");
    const value = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(value, (V) => {
        let config: Json;
        try {
          config = render('{"first": "$V", "list": [0 $V], "last": [true]}', { V });
        } catch {
          return;
        }
        expect(config).toEqual({ first: V, list: expect.arrayContaining([0]), last: [true] });
        expect(Object.keys(config as object)).toEqual(["first", "list", "last"]);
      }),
      { numRuns: 3000 },
    );
  });

  it("a comma that is too much or missing is E_CONFIG with file, line and column", () => {
    const error = errorOf(() => render('{\n  "a": [1 $V]\n}', { V: "2" }));
    expect(error.code).toBe("E_CONFIG");
    expect(error.message).toBe("/exports/config.json.template does not render to JSON: line 2, column 11");
  });

  it("a config.json without variables is checked and kept to the byte", () => {
    const verbatim = { kind: "verbatim", name: "/exports/config.json", text: '{ "a": "$NAME" }\n' } as const;
    expect(renderConfig(verbatim, new Map())).toBe(verbatim.text);
    expect(errorOf(() => renderConfig({ ...verbatim, text: "{" }, new Map())).code).toBe("E_CONFIG");
  });

  it("refuses a variable after a backslash, which would be half an escape", () => {
    expect(codeOf('["\\$V"]', { V: "n" })).toBe("E_TEMPLATE");
    expect(render('["\\\\$V"]', { V: "n" })).toEqual(["\\n"]);
  });

  it("refuses a helper's JSON inside a string", () => {
    const template = handlebarsTemplate('["{{jsonString V}}"]');
    expect(errorOf(() => renderConfig(template, valuesOf({ V: ", " }))).code).toBe("E_TEMPLATE");
  });

  it("a message shows what a Handlebars template calls a variable without its control characters", () => {
    for (const text of ['["{{jsonString A\u0001}}"]', '["\\\\{{{A\u0001}}}"]']) {
      const template = handlebarsTemplate(text);
      const { message } = errorOf(() => renderConfig(template, valuesOf({ "A\u0001": "x" })));
      expect(message).toContain("A\\u0001");
      expect(message).not.toContain("\u0001");
    }
  });

  it("layout of the template is kept as it is", () => {
    expect(renderConfig(stringTemplate('{\n\t"a" :  "$V"}\n\n'), valuesOf({ V: "é" }))).toBe('{\n\t"a" :  "é"}\n\n');
  });
});
