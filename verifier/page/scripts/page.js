// The page: two files in, a report out. Nothing leaves the browser.

const LABELS = {
  en: {
    title: "Verify a dossier",
    lead: "Prove a batch record from its dossier. This page works without a network and sends nothing anywhere.",
    policy: "1. Trust policy",
    policyHelp: "The keys to believe, from the site's QA when you had no reason to doubt; never from the dossier.",
    policyPaste: "or paste it here (TOML)",
    dossier: "2. Dossier",
    dossierHelp: "Choose the file, or drop it anywhere on this page.",
    run: "Verify",
    working: "Verifying …",
    check: "Check",
    outcome: "Outcome",
    evidence: "Evidence",
    saveJson: "Save report (JSON)",
    saveText: "Save report (text)",
    needs: "Choose a policy and a dossier first.",
    more: "more; the saved JSON report lists all",
    took: "seconds",
    broken: "This page failed, and so proves nothing:",
  },
  zh: {
    title: "验证证据档案",
    lead: "用证据档案离线证明批记录。本页面无需网络，不向任何地方发送数据。",
    policy: "1. 信任策略",
    policyHelp: "所信任的密钥，应事先从工厂质量部门取得，绝不取自证据档案本身。",
    policyPaste: "或粘贴于此 (TOML)",
    dossier: "2. 证据档案",
    dossierHelp: "选择文件，或将文件拖放到本页任意位置。",
    run: "验证",
    working: "正在验证 …",
    check: "检查项",
    outcome: "结果",
    evidence: "依据",
    saveJson: "保存报告 (JSON)",
    saveText: "保存报告 (文本)",
    needs: "请先选择信任策略和证据档案。",
    more: "条未列出；保存的 JSON 报告含全部",
    took: "秒",
    broken: "本页面出错，因此不能证明任何事：",
  },
};

/**
 * Verify a dossier's bytes under a policy's text and return `{report, error, hint}`.
 *
 * `error` tells why there is no report: the policy cannot be used. Whatever else goes wrong with
 * this program itself ends here too, and is never a verdict.
 */
async function lotproofVerify(data, policyText) {
  try {
    return { report: await verifyDossier(data, readPolicy(policyText)) };
  } catch (error) {
    if (error instanceof PolicyRefusal) return { error: error.message, hint: error.hint };
    return { error: `${LABELS[page.language].broken} ${error}`, hint: "" };
  }
}

const page = {
  language: "en",
  name: "", // of the dossier's file
  dossier: null, // File
  report: null,
  asked: 0, // how often the question changed: an answer to an older one is not shown
};

const find = (id) => document.getElementById(id);

function make(tag, text, name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = name;
  return made;
}

function speak(language) {
  page.language = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = `${LABELS[language].title} · Lotproof`;
  for (const each of document.querySelectorAll("[data-label]")) {
    each.textContent = LABELS[language][each.dataset.label];
  }
  find("language").value = language;
  if (page.report !== null) showReport();
}

/** Take back what was said: it was of another policy or another dossier. */
function forget() {
  page.asked += 1;
  page.report = null;
  find("report").hidden = true;
  tell("");
}

async function run() {
  const policy = find("policy-text").value;
  const labels = LABELS[page.language];
  forget();
  if (page.dossier === null || policy.trim() === "") return tell(labels.needs);
  tell(labels.working);
  const start = performance.now();
  const { asked } = page;
  let result;
  try {
    result = await lotproofVerify(new Uint8Array(await page.dossier.arrayBuffer()), policy);
  } catch (error) {
    result = { error: String(error), hint: "" }; // the file was moved away or is too large to hold
  }
  if (asked !== page.asked) return;
  if (result.report === undefined) {
    const why = result.hint ? `${result.error} (${result.hint})` : result.error;
    return tell(`${WORDS[page.language].CANNOT_DECIDE}  ${why}`, "CANNOT_DECIDE");
  }
  page.report = result.report;
  showReport();
  find("time").textContent = `${((performance.now() - start) / 1000).toFixed(2)} ${labels.took}`;
}

function tell(text, verdict = "") {
  find("verdict").textContent = text;
  find("verdict").className = verdict;
}

function showReport() {
  const { report, language } = page;
  const words = WORDS[language];
  const told = language === "zh" ? inChinese : (text) => text;
  tell(`${words[report.verdict]}  ${told(report.subject)}`, report.verdict);
  find("checks").replaceChildren(
    ...report.checks.map((check) => {
      const row = document.createElement("tr");
      row.className = check.outcome.replace(" ", "-");
      const evidence = make("td", told(check.evidence));
      for (const finding of check.findings) evidence.append(make("p", told(finding), "finding"));
      row.append(
        make("td", String(check.number)),
        make("td", words[check.outcome].trim(), "outcome"),
        make("td", TITLES[check.number - 1][language === "en" ? 0 : 1]),
        evidence,
      );
      return row;
    }),
  );
  const listed = report.altered.slice(0, FINDINGS_MAX).map((each) => make("li", told(tellAltered(each))));
  const more = report.altered.length - FINDINGS_MAX;
  if (more > 0) listed.push(make("li", `… ${more} ${LABELS[language].more}`));
  find("altered").hidden = !report.altered.length;
  find("altered-title").textContent = words.ALTERED;
  find("altered-list").replaceChildren(...listed);
  find("report").hidden = false;
}

function save(text, type, suffix) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${text}\n`], { type }));
  link.download = `${page.name}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function takeDossier(file) {
  forget();
  page.dossier = file ?? null;
  page.name = file?.name ?? "";
  find("dossier-name").textContent = page.name;
}

async function takePolicy(file) {
  const small = file !== undefined && file.size <= POLICY_MAX;
  const text = small ? fromUtf8(new Uint8Array(await file.arrayBuffer())) : null;
  forget();
  find("policy-text").value = text ?? "";
  if (text === null && file !== undefined) tell("the policy is not a text in UTF-8", "CANNOT_DECIDE");
}

function start() {
  find("language").addEventListener("change", (event) => speak(event.target.value));
  find("policy-file").addEventListener("change", (event) => takePolicy(event.target.files[0]));
  find("policy-text").addEventListener("input", forget);
  find("dossier-file").addEventListener("change", (event) => takeDossier(event.target.files[0]));
  find("run").addEventListener("click", run);
  find("save-json").addEventListener("click", () => save(toJson(page.report), "application/json", "report.json"));
  find("save-text").addEventListener("click", () => save(toText(page.report, page.language), "text/plain", "report.txt"));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    for (const file of event.dataTransfer.files) {
      if (file.name.endsWith(".toml")) takePolicy(file);
      else takeDossier(file);
    }
  });
  speak(navigator.language.startsWith("zh") ? "zh" : "en");
}

start();
