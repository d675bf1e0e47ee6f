// biome-ignore-all lint/suspicious/noTemplateCurlyInString: string templates are the subject here
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LineShape, tmpfilesShape, unitShape } from "../../src/contract/line-shape.ts";
import { renderTmpfiles, renderUnit, type Template } from "../../src/contract/template.ts";
import type { Values } from "../../src/contract/values.ts";
import { KeelsonError } from "../../src/errors.ts";
import { errorOf, handlebarsTemplate, stringTemplate, valuesOf } from "./contracts.ts";

const unit = `# $A comment
[Unit]
Description=$A and $B
After=$A
[Service]
ExecStart=/bin/x \\
  # between $A
  --one=$A \\
  $B \\
  --last
ExecStop=/bin/y "$A"
Environment=A=$A$B

[X-$A]
Key$A=1
[Install]
WantedBy=multi-user.target`;

/** Values that try to be more than a value. */
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc
    .array(
      fc.constantFrom(
        "\n",
        "\r",
        "\\",
        "[",
        "]",
        "Service",
        "=",
        "#",
        ";",
        " ",
        "%",
        '"',
        "'",
        "\u2028",
        "\0",
        "x",
        "\t",
      ),
      {
        maxLength: 6,
      },
    )
    .map((pieces) => pieces.join("")),
);

/** Section and key of each line; where `unit` has a value in one of them, what stands before the value. */
function directivesOf(text: string): readonly string[] {
  const names = unitShape(text).filter(({ kind }) => kind === "section" || kind === "directive");
  return names.map(({ name }) => name.replace(/^(\[X-|Key).*$/s, "$1"));
}

function trial(render: () => string): string | undefined {
  try {
    return render();
  } catch (error) {
    if (error instanceof KeelsonError && (error.code === "E_VALUE" || error.code === "E_TEMPLATE")) return undefined;
    throw error;
  }
}

describe("values in a unit", () => {
  it("no value given with --set changes the list of directives, in string templates and in Handlebars", () => {
    const plain = directivesOf(renderUnit(stringTemplate(unit), valuesOf({ A: "x", B: "y" })));
    const handlebars = handlebarsTemplate(unit.replace(/\$(\w)/g, "{{$1}}"));
    let rendered = 0;
    fc.assert(
      fc.property(hostile, hostile, (A, B) => {
        for (const template of [stringTemplate(unit), handlebars]) {
          const text = trial(() => renderUnit(template, valuesOf({ A, B })));
          if (text === undefined) continue;
          rendered += 1;
          expect(directivesOf(text)).toEqual(plain);
          expect(text.split("\n").length).toBe(unit.split("\n").length);
        }
      }),
      { numRuns: 2000 },
    );
    expect(rendered).toBeGreaterThan(100);
  });

  it.each(["\n", "\r", "\0", "\u001b", "\u007f", "\u2028", "\u2029", "\u000b"])(
    "refuses %j in a value, set or default",
    (bad) => {
      for (const origin of ["set", "default"] as const) {
        for (const template of [
          stringTemplate("[Unit]\nA=$V", "/exports/u"),
          handlebarsTemplate("[Unit]\nA={{V}}", "/exports/u"),
        ]) {
          const error = errorOf(() => renderUnit(template, valuesOf({ V: `a${bad}b` }, origin)));
          expect(error.code).toBe("E_VALUE");
          expect(error.message).toBe("/exports/u: the value of V holds a control character");
        }
      }
    },
  );

  it("takes a tab, and anything from keelson itself", () => {
    expect(renderUnit(stringTemplate("A=$V"), valuesOf({ V: "a\tb" }))).toBe("A=a\tb");
    expect(renderUnit(stringTemplate("A=$V"), valuesOf({ V: "a\nB=1" }, "keelson"))).toBe("A=a\nB=1");
  });

  const backslashes: readonly (readonly [string, Record<string, string>, boolean])[] = [
    ["A=$V\nB=1", { V: "x\\" }, false],
    ["A=$V", { V: "x\\" }, false],
    ["A=$V\nB=1", { V: "x\\\\" }, true],
    ["A=$V$W\nB=1", { V: "x\\", W: "" }, false],
    ["A=$V$W\nB=1", { V: "x\\", W: "\\" }, true],
    ["A=$V \nB=1", { V: "x\\" }, true],
    ["A=$V\\\n B=1", { V: "x" }, true],
    ["A=$V\\\n B=1", { V: "x\\" }, false],
  ];
  it.each(backslashes)("a value may not start or stop a continued line: %j with %j", (text, values, fits) => {
    const rendered = trial(() => renderUnit(stringTemplate(text), valuesOf(values)));
    expect(rendered !== undefined).toBe(fits);
  });

  it("a default of the image that ends in a backslash is refused as well", () => {
    expect(errorOf(() => renderUnit(stringTemplate("A=$V\nB=1"), valuesOf({ V: "\\" }, "default"))).code).toBe(
      "E_VALUE",
    );
  });

  const shapes: readonly (readonly [string, string, string])[] = [
    ["makes a section of a line", "$V[Install]", ""],
    ["makes a comment of a continued line", "A=1 \\\n$V \\\nB=2", "#"],
    ["makes a comment of a directive", "${V}A=1", ";"],
    ["makes a directive of a line that is none", "word $V", "=1"],
    ["is a section in a line of its own", "[Unit]\n$V\nA=1", "[Service]"],
    ["closes a section header", "[X-$V]", "y] ["],
  ];
  it.each(shapes)("refuses a value that %s and names its variable", (_, text, value) => {
    const error = errorOf(() =>
      renderUnit(stringTemplate(`${text}\n$OK`, "/exports/u"), valuesOf({ OK: "", V: value })),
    );
    expect(error.code).toBe("E_VALUE");
    expect(error.message).toBe("/exports/u: the value of V would change the lines around it");
  });

  it("a variable that stands for a whole line takes one line, or none", () => {
    const template = stringTemplate("[Service]\n$EXTRA\nA=1");
    expect(renderUnit(template, valuesOf({ EXTRA: "" }))).toBe("[Service]\n\nA=1");
    expect(renderUnit(template, valuesOf({ EXTRA: "Nice=5" }))).toBe("[Service]\nNice=5\nA=1");
    expect(trial(() => renderUnit(template, valuesOf({ EXTRA: "Nice=5\nUser=x" })))).toBeUndefined();
  });

  it("an empty value keeps its branch of an if, and its variable names nothing else", () => {
    const template = handlebarsTemplate("[Service]\n{{#if V}}\nNice={{V}}\n{{/if}}\nUser={{U}}");
    expect(renderUnit(template, valuesOf({ V: "", U: "u" }))).toBe("[Service]\nUser=u");
    expect(renderUnit(template, valuesOf({ V: "5", U: "u" }))).toBe("[Service]\nNice=5\nUser=u");
  });

  const percents: readonly (readonly [string, string])[] = [
    ["ExecStart=/x $V", "ExecStart=/x 50%%i"],
    ["Environment=\\\n  A=$V", "Environment=\\\n  A=50%%i"],
    ["CPUQuota=$V", "CPUQuota=50%i"],
    ["MemoryMax=$V\nMemoryHigh = $V\r\nDescription=$V", "MemoryMax=50%i\nMemoryHigh = 50%i\r\nDescription=50%%i"],
    ["TasksMax=$V", "TasksMax=50%i"],
  ];
  it.each(percents)("a percent sign given with --set stays one: %j", (text, expected) => {
    expect(renderUnit(stringTemplate(text), valuesOf({ V: "50%i" }))).toBe(expected);
  });

  it("a specifier in the image's default or from keelson stays a specifier", () => {
    expect(renderUnit(stringTemplate("A=$V"), valuesOf({ V: "%H" }, "default"))).toBe("A=%H");
    expect(renderUnit(stringTemplate("A=$V"), valuesOf({ V: "%H" }, "keelson"))).toBe("A=%H");
  });

  it("refuses a list or an object in a line", () => {
    expect(errorOf(() => renderUnit(stringTemplate("A=$V"), valuesOf({ V: ["a"] }, "default"))).code).toBe("E_VALUE");
  });

  it("knows lines as systemd does", () => {
    const text = "# c\n; c\n\n [Unit] \nA = 1\\\n#in\n\t2\\\\\njunk\rB=\0C=x \\\n[D]";
    expect(unitShape(text).map(({ kind, name, continued }) => `${kind} ${name}${continued ? " \\" : ""}`)).toEqual([
      "comment ",
      "comment ",
      "blank ",
      "section [Unit]",
      "directive A \\",
      "comment  \\",
      "more A",
      "other ",
      "directive B",
      "directive C \\",
      "more C",
    ]);
  });
});

describe("values in a tmpfiles.d file", () => {
  const text = '# $A\nd $A/x 0700 root root -\nL "$A/y $B" - - - - ../$A\n\nf$A /z 0600 - - - $B $A';
  const cases: readonly (readonly [string, Template])[] = [
    ["string template", stringTemplate(text)],
    ["Handlebars", handlebarsTemplate(text.replace(/\$(\w)/g, "{{$1}}"))],
  ];
  it.each(cases)("no value given with --set changes the number of lines or their fields: %s", (_, template) => {
    const shape = tmpfilesShape(renderTmpfiles(template, valuesOf({ A: "", B: "y" })));
    let rendered = 0;
    fc.assert(
      fc.property(hostile, hostile, (A, B) => {
        const result = trial(() => renderTmpfiles(template, valuesOf({ A, B })));
        if (result === undefined) return;
        rendered += 1;
        const fields = ({ kind, name }: LineShape) => [kind, name.split("\n").slice(0, 6).length];
        expect(tmpfilesShape(result).map(fields)).toEqual(shape.map(fields));
        expect(result).toMatch(/\/x 0700 root root -\n/);
        expect(result).toMatch(/ \/z 0600 - - -/);
      }),
      { numRuns: 2000 },
    );
    expect(rendered).toBeGreaterThan(50);
  });

  const rows: readonly (readonly [string, string, boolean])[] = [
    ["d $V 0700 - - -", "/run/etcd", true],
    ["d $V 0700 - - -", "/run 0777 root root", false],
    ["d $V 0700 - - -", "", false],
    ['d "$V" 0700 - - -', "/run/a b", true],
    ['d "$V" 0700 - - -', '/run" 0777 "', false],
    ["f /x 0600 - - - $V", "any words 'here", true],
    ["f /x 0600 - - - $V", "a\tb", false],
    ["f /x 0600 - - - $V", "a\nb", false],
    ["f /x 0600 - - - $V", "a\\", false],
    ["$V", "d /x", true],
    ["$V", "#", true],
    ["$V d /x", "#", false],
  ];
  it.each(rows)("%j with %j: %s", (template, value, fits) => {
    expect(trial(() => renderTmpfiles(stringTemplate(template), valuesOf({ V: value }))) !== undefined).toBe(fits);
  });

  it("a percent sign given with --set stays one, one of the image is a specifier", () => {
    const values: Values = new Map([...valuesOf({ V: "/a%b" }), ...valuesOf({ D: "%b" }, "default")]);
    expect(renderTmpfiles(stringTemplate("d $V/$D 0700"), values)).toBe("d /a%%b/%b 0700");
  });
});
