"""The playground: states and questions about them, the page that shows the answers, and its server. `import faltung` loads none of it."""
