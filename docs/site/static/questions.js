// Answers quizzes and predictions on a page (questions.py makes their HTML). Nothing is kept.
"use strict";
addEventListener("DOMContentLoaded", () => {
  for (const quiz of document.querySelectorAll("[data-quiz]")) {
    const tried = new Set();
    const reasons = [...quiz.querySelectorAll("[data-letter]")];
    const buttons = [...quiz.querySelectorAll("button")];
    for (const button of buttons) {
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        tried.add(button.value);
        for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
        const all = tried.has(quiz.dataset.key) || tried.size > 1;
        for (const each of reasons) each.hidden = !(all || each.dataset.letter === button.value);
        quiz.querySelector(".course-again").hidden = all;
      });
    }
  }
  for (const form of document.querySelectorAll("form[data-prediction]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const made = String(new FormData(form).get(form.dataset.prediction) || "").trim();
      const said = form.querySelector("[role=status]");
      if (!made) {
        said.textContent = "Choose or write something first.";
        return;
      }
      const { came } = form.dataset;
      const chosen = form.querySelector("[type=radio]");
      const verdict = made === came ? " As you expected." : chosen ? " A surprise." : "";
      said.textContent = `You expected "${made}"; it was: ${came}.${verdict}`;
      form.querySelector("fieldset").disabled = true;
    });
  }
});
