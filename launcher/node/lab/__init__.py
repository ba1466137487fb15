"""JupyterLab in the job: started, told about the session, and what a page gets of springline."""
