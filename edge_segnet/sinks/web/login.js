const problems = {
  "?wrong": "That is not the token.",
  "?wait": "Too many wrong tokens. Wait a minute and try again.",
};

document.getElementById("problem").textContent = problems[location.search] ?? "";
